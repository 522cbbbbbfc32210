#include "isa_avx512vnni.h"
#include "roof_tile.h"
