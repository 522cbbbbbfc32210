// Chat: a model's own template applied to messages, as transformers' apply_chat_template does.

package jinja

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoTemplate is the error of NewChat for a tokenizer without a chat template.
var ErrNoTemplate = errors.New("the tokenizer has no chat template")

// Chat renders conversations with a model's template.
type Chat struct {
	tmpl   *Template
	tokens *Object
	// Options bound each rendering and set its clock.
	Options Options
}

// NewChat reads the template and the special tokens of a tokenizer_config.json. chatTemplateJinja is the content of
// chat_template.jinja, which wins over the one inside the configuration; "" if there is none. Without any template the
// error is ErrNoTemplate.
func NewChat(tokenizerConfigJSON []byte, chatTemplateJinja string) (*Chat, error) {
	v, err := FromJSON(tokenizerConfigJSON)
	if err != nil {
		return nil, fmt.Errorf("tokenizer_config.json: %w", err)
	}
	config, ok := v.(*Object)
	if !ok {
		return nil, fmt.Errorf("tokenizer_config.json: not an object")
	}
	source := chatTemplateJinja
	if source == "" {
		if source, err = configTemplate(config); err != nil {
			return nil, fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	tmpl, err := Parse(source)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Chat{tmpl: tmpl, tokens: specialTokens(config)}, nil
}

// configTemplate finds chat_template: a string, or a list of named ones of which "default" is taken.
func configTemplate(config *Object) (string, error) {
	v, _ := config.Get("chat_template")
	switch x := v.(type) {
	case nil:
		return "", ErrNoTemplate
	case string:
		return x, nil
	case *List:
		var names []string
		for i, item := range x.items {
			o, ok := item.(*Object)
			if !ok {
				return "", fmt.Errorf("chat_template[%d]: not an object", i)
			}
			name, _ := o.Get("name")
			text, _ := o.Get("template")
			n, ok1 := name.(string)
			t, ok2 := text.(string)
			if !ok1 || !ok2 {
				return "", fmt.Errorf("chat_template[%d]: name and template must be strings", i)
			}
			if n == "default" {
				return t, nil
			}
			names = append(names, n)
		}
		return "", fmt.Errorf("chat_template: %w: no default among %s", ErrNoTemplate, oneLine(strings.Join(names, ", ")))
	}
	return "", fmt.Errorf("chat_template: neither string nor list")
}

// specialTokens collects the named tokens, each a string or an object with its content.
func specialTokens(config *Object) *Object {
	out := NewObject()
	for _, name := range []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"} {
		v, _ := config.Get(name)
		if o, ok := v.(*Object); ok {
			v, _ = o.Get("content")
		}
		if s, ok := v.(string); ok {
			out.Set(name, s)
		}
	}
	return out
}

// Render renders messages, a JSON list of objects. Tools and documents are none. As in transformers, keys whose value is
// null are dropped from each message and an empty conversation is an error.
func (c *Chat) Render(messagesJSON []byte, addGenerationPrompt bool) (string, error) {
	v, err := FromJSON(messagesJSON)
	if err != nil {
		return "", fmt.Errorf("messages: %w", err)
	}
	list, ok := v.(*List)
	if !ok {
		return "", fmt.Errorf("messages: not a list")
	}
	if list.Len() == 0 {
		return "", fmt.Errorf("messages: an empty conversation has no rendering")
	}
	messages := NewList()
	for i, item := range list.items {
		o, ok := item.(*Object)
		if !ok {
			return "", fmt.Errorf("messages[%d]: not an object", i)
		}
		messages.items = append(messages.items, aliasReasoning(withoutNulls(o)))
	}
	vars := NewObject()
	vars.Set("messages", messages)
	vars.Set("tools", nil)
	vars.Set("documents", nil)
	vars.Set("add_generation_prompt", addGenerationPrompt)
	for i, k := range c.tokens.keys {
		vars.Set(k.(string), c.tokens.vals[i])
	}
	out, err := c.tmpl.Render(vars, c.Options)
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	return out, nil
}

func withoutNulls(o *Object) *Object {
	out := NewObject()
	for i, k := range o.keys {
		if o.vals[i] != nil {
			out.Set(k.(string), o.vals[i])
		}
	}
	return out
}

// aliasReasoning offers a message's reasoning under the names that templates read, whichever of them it came under.
func aliasReasoning(o *Object) *Object {
	for _, name := range []string{"reasoning_content", "thinking", "reasoning"} {
		v, ok := o.Get(name)
		if !ok {
			continue
		}
		out := NewObject()
		out.Set("thinking", v)
		for i, k := range o.keys {
			out.Set(k.(string), o.vals[i])
		}
		out.Set("reasoning_content", v)
		return out
	}
	return o
}
