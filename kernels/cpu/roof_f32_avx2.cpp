#include "isa_avx2.h"
#include "roof_tile.h"
