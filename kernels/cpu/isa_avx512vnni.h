/* AVX-512 with VNNI: the same lanes, and byte dot products in one instruction. */
#ifndef AWQ_ISA_AVX512VNNI_H
#define AWQ_ISA_AVX512VNNI_H

#define AWQ_ISA avx512vnni
#define AWQ_VNNI 1
#include "isa_avx512.h"

#endif
