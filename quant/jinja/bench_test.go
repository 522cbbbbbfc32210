// Benchmarks: reading a template of a common size and rendering a short conversation.

package jinja

import (
	"os"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	source, err := os.ReadFile("testdata/templates/qwen3.jinja")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(source)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(string(source)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	source, err := os.ReadFile("testdata/templates/qwen3.jinja")
	if err != nil {
		b.Fatal(err)
	}
	chat, err := NewChat([]byte(`{"bos_token": "<s>"}`), string(source))
	if err != nil {
		b.Fatal(err)
	}
	messages := []byte(`[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Bye"}]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := chat.Render(messages, true); err != nil {
			b.Fatal(err)
		}
	}
}
