/* NEON with the dot product extension: the same lanes, and byte dot products in one instruction. */
#ifndef AWQ_ISA_NEONDOT_H
#define AWQ_ISA_NEONDOT_H

#define AWQ_ISA neondot
#define AWQ_DOTPROD 1
#include "isa_neon.h"

#endif
