#include "isa_avx2vnni.h"
#include "roof_tile.h"
