package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxDocument bounds a body and the result of a patch, in bytes. Without it a few
// copy operations could double a document until the memory is gone.
const maxDocument = 4 << 20

// patchOp is one operation of RFC 6902.
type patchOp struct {
	op         string
	path, from []string
	value      json.RawMessage // nil when the operation has none
}

// parsePatch reads a JSON Patch document. What is not one is a 400.
func parsePatch(body []byte) ([]patchOp, error) {
	list, err := parseArray(body)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "structure", "the body is not a JSON Patch: %v", err)
	}
	ops := make([]patchOp, 0, len(list))
	for i, raw := range list {
		op, why := parseOp(raw)
		if why != "" {
			return nil, problem(http.StatusBadRequest, "structure", "JSON Patch operation %d: %s", i, why)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func parseOp(raw json.RawMessage) (op patchOp, why string) {
	o, err := parseObject(raw)
	if err != nil {
		return op, err.Error()
	}
	op.op, op.value = o.text("op"), o.get("value")
	var needsValue, needsFrom bool
	switch op.op {
	case "add", "replace", "test":
		needsValue = true
	case "move", "copy":
		needsFrom = true
	case "remove":
	default:
		return op, "op must be add, remove, replace, move, copy or test"
	}
	var ok bool
	if op.path, ok = pointer(o, "path"); !ok {
		return op, "path is not a JSON pointer"
	}
	if needsFrom {
		if op.from, ok = pointer(o, "from"); !ok {
			return op, "from is not a JSON pointer"
		}
	}
	if needsValue && op.value == nil {
		return op, "value is missing"
	}
	return op, ""
}

// pointer reads a JSON pointer (RFC 6901) into its unescaped steps.
func pointer(o object, name string) ([]string, bool) {
	var s string
	raw := o.get(name)
	if kindOf(raw) != '"' || json.Unmarshal(raw, &s) != nil {
		return nil, false
	}
	if s == "" {
		return nil, true
	}
	if s[0] != '/' {
		return nil, false
	}
	steps := strings.Split(s[1:], "/")
	for i, step := range steps {
		if strings.Contains(strings.NewReplacer("~0", "", "~1", "").Replace(step), "~") {
			return nil, false
		}
		// ~1 first: "~01" stands for "~1", not for "/".
		steps[i] = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
	}
	return steps, true
}

// applyPatch applies all operations to doc or none: an operation that cannot be
// applied, and a test that fails, is a 422.
func applyPatch(doc json.RawMessage, ops []patchOp) (json.RawMessage, error) {
	for i, op := range ops {
		next, why := op.apply(doc)
		if why == "" && len(next) > maxDocument {
			why = "the result is too large"
		}
		if why != "" {
			return nil, problem(http.StatusUnprocessableEntity, "processing", "JSON Patch operation %d (%s): %s", i, op.op, why)
		}
		doc = next
	}
	return doc, nil
}

func (op patchOp) apply(doc json.RawMessage) (result json.RawMessage, why string) {
	switch op.op {
	case "add":
		return addAt(doc, op.path, op.value)
	case "remove":
		return removeAt(doc, op.path)
	case "replace":
		return replaceAt(doc, op.path, op.value)
	case "test":
		current, why := getAt(doc, op.path)
		if why == "" && !sameJSON(current, op.value) {
			why = "the value is another one"
		}
		return doc, why
	case "copy":
		value, why := getAt(doc, op.from)
		if why != "" {
			return nil, why
		}
		return addAt(doc, op.path, value)
	default: // move; parseOp let nothing else through
		if len(op.from) < len(op.path) && slices.Equal(op.from, op.path[:len(op.from)]) {
			return nil, "a value cannot move into itself"
		}
		value, why := getAt(doc, op.from)
		if why != "" {
			return nil, why
		}
		if slices.Equal(op.from, op.path) {
			return doc, ""
		}
		if doc, why = removeAt(doc, op.from); why != "" {
			return nil, why
		}
		return addAt(doc, op.path, value)
	}
}

const noSuchPath = "the path does not exist"

// getAt returns the value the steps lead to.
func getAt(doc json.RawMessage, steps []string) (value json.RawMessage, why string) {
	for _, step := range steps {
		if doc, why = child(doc, step); why != "" {
			return nil, why
		}
	}
	return doc, ""
}

// child returns the member or element of a container.
func child(parent json.RawMessage, step string) (json.RawMessage, string) {
	if o, err := parseObject(parent); err == nil {
		if raw := o.get(step); raw != nil {
			return raw, ""
		}
		return nil, noSuchPath
	}
	list, err := parseArray(parent)
	if err != nil {
		return nil, noSuchPath
	}
	if i, ok := position(step, len(list)); ok && i < len(list) {
		return list[i], ""
	}
	return nil, noSuchPath
}

// position reads an array index: digits without a leading zero, at most length.
func position(step string, length int) (int, bool) {
	i, err := strconv.Atoi(step)
	if err != nil || i < 0 || i > length || strconv.Itoa(i) != step {
		return 0, false
	}
	return i, true
}

// editAt replaces the value the steps lead to by what edit makes of it, and keeps
// the text of everything beside the path.
func editAt(doc json.RawMessage, steps []string, edit func(json.RawMessage) (json.RawMessage, string)) (json.RawMessage, string) {
	if len(steps) == 0 {
		return edit(doc)
	}
	inner, why := child(doc, steps[0])
	if why != "" {
		return nil, why
	}
	inner, why = editAt(inner, steps[1:], edit)
	if why != "" {
		return nil, why
	}
	return put(doc, steps[0], inner), ""
}

// put replaces a member or element that child has found.
func put(parent json.RawMessage, step string, value json.RawMessage) json.RawMessage {
	if o, err := parseObject(parent); err == nil {
		o.set(step, value)
		return o.encode()
	}
	list, _ := parseArray(parent)
	i, _ := position(step, len(list))
	list[i] = value
	return encodeArray(list)
}

func replaceAt(doc json.RawMessage, steps []string, value json.RawMessage) (json.RawMessage, string) {
	return editAt(doc, steps, func(json.RawMessage) (json.RawMessage, string) { return value, "" })
}

func addAt(doc json.RawMessage, steps []string, value json.RawMessage) (json.RawMessage, string) {
	if len(steps) == 0 {
		return value, ""
	}
	last := steps[len(steps)-1]
	return editAt(doc, steps[:len(steps)-1], func(parent json.RawMessage) (json.RawMessage, string) {
		if o, err := parseObject(parent); err == nil {
			o.set(last, value)
			return o.encode(), ""
		}
		list, err := parseArray(parent)
		if err != nil {
			return nil, noSuchPath
		}
		i, ok := len(list), last == "-"
		if !ok {
			i, ok = position(last, len(list))
		}
		if !ok {
			return nil, "the index is outside of the array"
		}
		return encodeArray(slices.Insert(list, i, value)), ""
	})
}

func removeAt(doc json.RawMessage, steps []string) (json.RawMessage, string) {
	if len(steps) == 0 {
		return nil, "the whole document cannot be removed"
	}
	last := steps[len(steps)-1]
	return editAt(doc, steps[:len(steps)-1], func(parent json.RawMessage) (json.RawMessage, string) {
		if _, why := child(parent, last); why != "" {
			return nil, why
		}
		if o, err := parseObject(parent); err == nil {
			o.drop(last)
			return o.encode(), ""
		}
		list, _ := parseArray(parent)
		i, _ := position(last, len(list))
		return encodeArray(slices.Delete(list, i, i+1)), ""
	})
}

// sameJSON compares two values as RFC 6902 §4.6 asks: members in any order,
// numbers by value (as 64-bit floating point).
func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errA := tree(a)
	y, errB := tree(b)
	return errA == nil && errB == nil && sameTree(x, y)
}

func sameTree(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name, v := range a {
			if w, there := b[name]; !there || !sameTree(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, sameTree)
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a, b)
	default: // string, bool, nil
		return a == b
	}
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && x == y
}
