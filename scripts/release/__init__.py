# SPDX-License-Identifier: Apache-2.0
"""What is published: files, statements of how they came to be, sums, an index."""
