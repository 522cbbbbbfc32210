#include "isa_avx512.h"
#include "roof_tile.h"
