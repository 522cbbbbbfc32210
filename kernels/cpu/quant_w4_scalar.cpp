#include "isa_scalar.h"
#include "quant_tile.h"
