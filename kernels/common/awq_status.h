/* The status numbers of awq.h, for code that must not include the public header. */
#ifndef AWQ_STATUS_H
#define AWQ_STATUS_H

enum { AWQK_OK = 0, AWQK_ERR_INVALID_ARGUMENT = 1, AWQK_ERR_UNSUPPORTED = 2, AWQK_ERR_OUT_OF_MEMORY = 6, AWQK_ERR_DEVICE = 7, AWQK_ERR_INTERNAL = 9 };

#endif
