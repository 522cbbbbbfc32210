// Folders that stay open between loads: shared by threads, opened anew when their files change, few at a time.

package quant

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"libawq/kernels"
	"libawq/kernels/ref"
)

func TestModelsStayOpen(t *testing.T) {
	cfg := small(t)
	cfg.Method, cfg.Group = RTN, 32
	var src string
	for _, m := range models() {
		src = m.write(t)
		break
	}
	dir, _ := run(t, src, cfg)
	var s Models
	first, done, err := s.Use(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, done2, err := s.Use(dir)
	if err != nil || again != first {
		t.Errorf("opened twice: %v", err)
	}
	done2()
	now := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "config.json"), now, now); err != nil {
		t.Fatal(err)
	}
	other, done3, err := s.Use(dir)
	if err != nil || other == first {
		t.Errorf("not opened anew: %v", err)
	}
	done3()
	if _, err := first.Words("model.layers.0.mlp.down_proj"); err != nil {
		t.Errorf("a model in use was closed: %v", err)
	}
	done()
	if _, _, err := s.Use(filepath.Join(dir, "nothing")); err == nil || len(s.open) != 1 {
		t.Errorf("%d folders after %v", len(s.open), err)
	}

	var g kernels.Group
	for i := range 4 {
		g.Go(func() error {
			for j := range 6 {
				l, err := s.Load(ref.Ops(), dir+"/."[:2*((i+j)%2)], "model.layers.1.mlp.down_proj", LoadOptions{Cache: t.TempDir()}) // ref has no packed forms
				if err != nil {
					return err
				}
				if l.Shared || l.Group != 32 {
					t.Errorf("linear %+v", l)
				}
				l.Close()
				if i == 0 {
					at := now.Add(time.Duration(j) * time.Second)
					if err := os.Chtimes(filepath.Join(dir, "config.json"), at, at); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	for _, o := range s.open {
		if o.users != 1 {
			t.Errorf("%s: %d users besides the list", o.dir, o.users-1)
		}
	}
	s.Close()
	if len(s.open) != 0 || len(s.buffers) != 0 {
		t.Errorf("%d folders, %d buffers after Close", len(s.open), len(s.buffers))
	}
}
