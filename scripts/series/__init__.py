# SPDX-License-Identifier: Apache-2.0
"""The series: mailbox patches as the record, git commits as the workbench."""
