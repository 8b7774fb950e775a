# SPDX-License-Identifier: Apache-2.0
"""Names that patches use, followed through both trees without running them."""
