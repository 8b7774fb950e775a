# SPDX-License-Identifier: Apache-2.0
"""`make evidence`: what each patch is needed for, and what it leaves alone."""
