package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"libawq/quant"
)

// bar shows progress: one line rewritten on a terminal, a plain line every five percent elsewhere.
type bar struct {
	out      io.Writer
	terminal bool
	width    int
	last     time.Time
	step     int
	shown    bool
}

func newBar(out io.Writer) bar {
	b := bar{out: out, step: -1}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b.terminal, b.width = true, 80
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			b.width = w
		}
	}
	return b
}

func (b *bar) report(p quant.Progress) {
	if !b.terminal {
		if step := int(p.Fraction * 20); step > b.step {
			b.step = step
			fmt.Fprintf(b.out, "%3.0f %%  %s  %s %s%s\n", 100*p.Fraction, clock(p.Elapsed), p.Stage, p.Item, left(p))
		}
		return
	}
	if time.Since(b.last) < 100*time.Millisecond {
		return
	}
	b.last, b.shown = time.Now(), true
	const cells = 24
	full := int(p.Fraction * cells)
	line := fmt.Sprintf("[%s%s] %3.0f %%  %s%s  %s %s", strings.Repeat("#", full), strings.Repeat(".", cells-full), 100*p.Fraction, clock(p.Elapsed), left(p), p.Stage, p.Item)
	if len(line) > b.width-1 {
		line = line[:b.width-1]
	}
	fmt.Fprintf(b.out, "\r%s\x1b[K", line)
}

// clear removes the line of a terminal before other text.
func (b *bar) clear() {
	if b.shown {
		fmt.Fprint(b.out, "\r\x1b[K")
		b.shown = false
	}
}

func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

func left(p quant.Progress) string {
	if p.Left < 0 {
		return ""
	}
	return ", " + clock(p.Left) + " left"
}
