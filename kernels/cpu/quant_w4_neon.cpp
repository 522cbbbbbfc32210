#include "isa_neon.h"
#include "quant_tile.h"
