package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// decodeStrict decodes raw into v, refusing keys that v does not have.
func decodeStrict(raw []byte, v any) error {
	if len(strings.TrimSpace(string(raw))) == 0 {
		return errors.New("the configuration is empty; start from docs/ringback.example.yaml")
	}
	if file, err := parser.ParseBytes(raw, 0); err == nil && len(file.Docs) > 1 {
		return errors.New("there is a second document after ---; only one is read, so put everything into the first")
	}
	return explain(yaml.UnmarshalWithOptions(raw, v, yaml.Strict()), v)
}

// DecodeSettings returns a function that decodes a connector's settings strictly;
// no settings leave the value as it is.
func (e EHR) DecodeSettings() func(into any) error {
	return decoder(e.Settings)
}

// explain says what is wrong with a line and names the nearest known key. The
// library's own text shows the source, which a person may have put a secret into.
func explain(err error, v any) error {
	if err == nil {
		return nil
	}
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		tok := unknown.GetToken()
		msg := fmt.Sprintf("line %d: there is no key %q", tok.Position.Line, tok.Value)
		if near := nearest(tok.Value, keysOf(reflect.TypeOf(v), map[reflect.Type]bool{})); near != "" {
			msg += fmt.Sprintf("; did you mean %q?", near)
		}
		return errors.New(msg)
	}
	const length = "write a length of time as 30s, 15m or 24h"
	var fault yaml.Error
	if errors.As(err, &fault) && fault.GetToken() != nil {
		msg := fault.GetMessage()
		if strings.HasSuffix(msg, "time.Duration") {
			msg = length
		}
		return fmt.Errorf("line %d: %s", fault.GetToken().Position.Line, msg)
	}
	if strings.HasPrefix(err.Error(), "time: ") { // the library does not say where
		return errors.New(length + "; there are no days")
	}
	return errors.New("it is not YAML")
}

// keysOf lists the keys of a struct and of all structs below it.
func keysOf(t reflect.Type, seen map[reflect.Type]bool) []string {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || seen[t] || t == reflect.TypeFor[ast.Node]() {
		return nil
	}
	seen[t] = true
	var keys []string
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" && name != "-" {
			keys = append(keys, name)
		}
		keys = append(keys, keysOf(f.Type, seen)...)
	}
	return keys
}

// nearest returns the known key that is spelt most like key, "" when none is close.
func nearest(key string, known []string) string {
	slices.Sort(known)
	best, at := "", 1+len(key)/2
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(key), k); d < at {
			best, at = k, d
		}
	}
	return best
}
