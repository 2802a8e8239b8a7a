package key

import (
	"encoding/json"
	"fmt"
	"reflect"

	"tlpipe/pipeline/store"
)

// Settings returns a key line for every setting that can change a stage's result, in the order of the struct's fields. The value
// is the setting's JSON. Fields tagged inert or path are left out; a field tagged key:"omitzero" is left out while it is zero,
// so that adding it does not change existing keys.
func Settings(settings any) ([]store.Line, error) {
	return appendSettings(nil, "", reflect.Indirect(reflect.ValueOf(settings)))
}

func appendSettings(lines []store.Line, prefix string, v reflect.Value) ([]store.Line, error) {
	var err error
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Tag.Get("inert") == "true" || field.Tag.Get("path") == "true" {
			continue
		}
		name, value := prefix+field.Tag.Get("yaml"), v.Field(i)
		if field.Tag.Get("key") == "omitzero" && value.IsZero() {
			continue
		}
		if value.Kind() == reflect.Struct {
			if lines, err = appendSettings(lines, name+".", value); err != nil {
				return nil, err
			}
			continue
		}
		text, err := json.Marshal(value.Interface()) // json.Marshal sorts the keys of maps
		if err != nil {
			return nil, fmt.Errorf("key of setting %s: %w", name, err)
		}
		lines = append(lines, store.Line{Name: name, Value: string(text)})
	}
	return lines, nil
}
