// The goldens: what Jinja2 itself renders, or refuses, for every feature case.

package jinja

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

type feature struct {
	Name     string
	Template string
	Want     *string
	Fail     string
}

// goldenNow is the instant at which generate.py stops its clock.
func goldenNow() time.Time { return time.Date(2024, 7, 6, 15, 4, 9, 123456000, time.UTC) }

func renderJSON(template string, vars []byte, opts Options) (string, error) {
	v, err := FromJSON(vars)
	if err != nil {
		return "", err
	}
	tmpl, err := Parse(template)
	if err != nil {
		return "", err
	}
	return tmpl.Render(v.(*Object), opts)
}

// check compares one rendering with its golden; an error must be one line.
func check(t *testing.T, got string, err error, want *string, fail string) {
	t.Helper()
	switch {
	case err != nil && strings.ContainsAny(err.Error(), "\r\n"):
		t.Errorf("error of several lines: %q", err)
	case want != nil && err != nil:
		t.Errorf("error %v\nwant %q", err, *want)
	case want != nil && got != *want:
		t.Errorf("got  %q\nwant %q", got, *want)
	case want == nil && err == nil:
		t.Errorf("got %q, want an error (%s)", got, fail)
	}
}

func TestFeatures(t *testing.T) {
	var cases []feature
	readJSON(t, "features.json", &cases)
	var vars map[string]json.RawMessage // by the group that a case's name starts with
	readJSON(t, "features_vars.json", &vars)
	if len(cases) < 900 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			got, err := renderJSON(c.Template, vars[c.Name[:strings.LastIndex(c.Name, "-")]], Options{Now: goldenNow})
			check(t, got, err, c.Want, c.Fail)
			if t.Failed() {
				t.Logf("template %q", c.Template)
			}
		})
	}
}

func TestChats(t *testing.T) {
	var conversations map[string]struct {
		Messages, Tools json.RawMessage
	}
	readJSON(t, "conversations.json", &conversations)
	var cases []struct {
		Template     string
		Conversation string
		Add          bool
		Want         *string
		Fail         string
	}
	readJSON(t, "chats.json", &cases)
	templates := map[string]*Template{}
	for _, c := range cases {
		tmpl := templates[c.Template]
		if tmpl == nil {
			source, err := os.ReadFile(filepath.Join("testdata", "templates", c.Template))
			if err != nil {
				t.Fatal(err)
			}
			if tmpl, err = Parse(string(source)); err != nil {
				t.Fatalf("%s: %v", c.Template, err)
			}
			templates[c.Template] = tmpl
		}
		t.Run(strings.TrimSuffix(c.Template, ".jinja")+"/"+c.Conversation, func(t *testing.T) {
			vars := NewObject()
			conv := conversations[c.Conversation]
			for name, data := range map[string]json.RawMessage{"messages": conv.Messages, "tools": conv.Tools} {
				if data == nil {
					data = json.RawMessage("null")
				}
				v, err := FromJSON(data)
				if err != nil {
					t.Fatal(err)
				}
				vars.Set(name, v)
			}
			vars.Set("documents", nil)
			vars.Set("add_generation_prompt", c.Add)
			vars.Set("bos_token", "<s>")
			vars.Set("eos_token", "</s>")
			vars.Set("unk_token", "<unk>")
			got, err := tmpl.Render(vars, Options{Now: goldenNow})
			check(t, got, err, c.Want, c.Fail)
		})
	}
	if len(templates) < 9 {
		t.Errorf("only %d templates", len(templates))
	}
}
