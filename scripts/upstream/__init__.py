# SPDX-License-Identifier: Apache-2.0
"""What is pinned: the lock, the index, the cache, archives and what they say."""
