/* AVX2 with AVX-VNNI: the same lanes, and byte dot products in one instruction. */
#ifndef AWQ_ISA_AVX2VNNI_H
#define AWQ_ISA_AVX2VNNI_H

#define AWQ_ISA avx2vnni
#define AWQ_VNNI 1
#include "isa_avx2.h"

#endif
