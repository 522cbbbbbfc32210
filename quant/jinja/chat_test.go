// The chat layer: where the template and the tokens come from.

package jinja

import (
	"errors"
	"math/big"
	"strings"
	"testing"
)

func TestChat(t *testing.T) {
	const user = `[{"role": "user", "content": "Hi"}]`
	for name, c := range map[string]struct {
		config, file, messages, want, fail string
	}{
		"string":       {config: `{"chat_template": "{{ bos_token }}{{ messages[0].content }}", "bos_token": "<s>"}`, want: "<s>Hi"},
		"token object": {config: `{"chat_template": "{{ bos_token }}|{{ eos_token }}|{{ pad_token is defined }}", "bos_token": {"content": "<b>", "lstrip": false}, "eos_token": "<e>", "pad_token": null}`, want: "<b>|<e>|False"},
		"list":         {config: `{"chat_template": [{"name": "rag", "template": "R"}, {"name": "default", "template": "D"}]}`, want: "D"},
		"no default":   {config: `{"chat_template": [{"name": "rag", "template": "R"}]}`, fail: "no default among rag"},
		"file":         {config: `{"chat_template": "C"}`, file: "F", want: "F"},
		"file alone":   {config: `{}`, file: "{{ add_generation_prompt }}", want: "True"},
		"missing":      {config: `{}`, fail: "tokenizer_config.json: the tokenizer has no chat template"},
		"bad type":     {config: `{"chat_template": 5}`, fail: "neither string nor list"},
		"bad entry":    {config: `{"chat_template": [{"name": 1, "template": "R"}]}`, fail: "must be strings"},
		"bad json":     {config: `{`, fail: "tokenizer_config.json: json:"},
		"no object":    {config: `[]`, fail: "not an object"},
		"syntax":       {config: `{}`, file: "a\n{% if %}", fail: "chat template: template line 2:"},
		"none":         {config: `{}`, file: "{{ tools is none and documents is none }}", want: "True"},
		"nulls":        {config: `{}`, file: "{{ messages }}", messages: `[{"role": "user", "content": null, "x": [null]}]`, want: "[{'role': 'user', 'x': [None]}]"},
		"reasoning":    {config: `{}`, file: "{{ messages }}", messages: `[{"role": "a", "reasoning": "r"}]`, want: "[{'thinking': 'r', 'role': 'a', 'reasoning': 'r', 'reasoning_content': 'r'}]"},
		"empty":        {config: `{}`, file: "x", messages: `[]`, fail: "messages: an empty conversation"},
		"no list":      {config: `{}`, file: "x", messages: `{}`, fail: "messages: not a list"},
		"no message":   {config: `{}`, file: "x", messages: `[1]`, fail: "messages[0]: not an object"},
		"raised":       {config: `{}`, file: "{{ raise_exception('no') }}", fail: "chat template: template line 1: no"},
	} {
		t.Run(name, func(t *testing.T) {
			messages := c.messages
			if messages == "" {
				messages = user
			}
			chat, err := NewChat([]byte(c.config), c.file)
			got := ""
			if err == nil {
				got, err = chat.Render([]byte(messages), true)
			}
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("error %v, want %q", err, c.fail)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("got %q, %v\nwant %q", got, err, c.want)
			}
		})
	}
	if _, err := NewChat([]byte(`{}`), ""); !errors.Is(err, ErrNoTemplate) {
		t.Errorf("%v is not ErrNoTemplate", err)
	}
}

func TestFromJSON(t *testing.T) {
	v, err := FromJSON([]byte(`{"z": 1, "a": [1.0, -0, 12345678901234567890, 1e3, "\ud83d\ude00"], "z": null}`))
	if err != nil {
		t.Fatal(err)
	}
	o := v.(*Object)
	if got, _ := newRun(nil, Options{}).repr(o); got != "{'z': None, 'a': [1.0, 0, 12345678901234567890, 1000.0, '😀']}" {
		t.Errorf("got %s", got)
	}
	list, _ := o.Get("a")
	if _, ok := list.(*List).At(2).(*big.Int); !ok {
		t.Errorf("a big integer became %T", list.(*List).At(2))
	}
	for _, bad := range []string{
		"", "{", "[1,]", "{\"a\"}", "[1 2]", "1 2", "nul", "NaN", "\"\xff\"", `"\ud800"`, `"\ude00\ud83d"`, `"\ud800\u0041"`, "01", "'a'",
		strings.Repeat("[", 600) + strings.Repeat("]", 600), strings.Repeat("9", 5000),
	} {
		if v, err := FromJSON([]byte(bad)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.20q: got %v, %v, want an error of one line", bad, v, err)
		}
	}
}
