# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint will be on a GPU: read from its small files, no weights needed.

`checkpoint` reads, `families` and `layers` say which matrices there are, `quantization`
in which format, `sizes` their bytes on a rank, `choose` what runs them, `kv` and
`memory` what is left, `serve` and `recipes` what to type.
"""
