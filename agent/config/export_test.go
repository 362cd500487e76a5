package config

import "reflect"

// Keys are the names of all settings, without those of their tables.
func Keys() []string { return keys(reflect.TypeFor[file]()) }

func keys(t reflect.Type) []string {
	var list []string
	for i := range t.NumField() {
		if f := t.Field(i); f.Type.Kind() == reflect.Struct {
			list = append(list, keys(f.Type)...)
		} else {
			list = append(list, f.Tag.Get("toml"))
		}
	}
	return list
}
