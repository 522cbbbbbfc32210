package quant

import (
	"os"
	"strconv"
	"strings"
)

// PeakRSS is the largest resident size that this process has had, in bytes; 0 where the system does not tell.
// (getrusage would count what the parent had before exec.)
func PeakRSS() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kb), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return n * 1024
		}
	}
	return 0
}
