/* Detection for the emulated archive: what the machine has, every AVX-512 form, AVX-VNNI and tiles. */
#define awq_cpu_features awq_machine_features
#include "../../detect.cpp"
#undef awq_cpu_features

extern "C" uint32_t awq_cpu_features(void) {
  return awq_machine_features() | AWQ_CAN_AVX512 | AWQ_CAN_AVX512VNNI | AWQ_CAN_AVX512BF16 | AWQ_CAN_AVXVNNI | AWQ_CAN_AMX;
}
