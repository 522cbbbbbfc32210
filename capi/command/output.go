package command

import (
	"encoding/json"
	"fmt"
	"math"
)

// document prints the one JSON document of a run.
func (a *app) document(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.host.Out, "%s\n", text)
	return err
}

// number is a float for JSON: NaN becomes null.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// size prints bytes for people, in powers of 1000 as disks and the Hub do.
func size(b int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(b), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", b)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
