# SPDX-License-Identifier: Apache-2.0
"""`make site`: the series as static pages, drawn from what the targets reported."""
