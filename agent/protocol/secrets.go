package protocol

import "reflect"

// SecretsIn finds the values of all secrets in v, which is of any type, so that none is forgotten where they must be kept out of something.
func SecretsIn(v any) []string { return secretsIn(reflect.ValueOf(v)) }

func secretsIn(v reflect.Value) (list []string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return secretsIn(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			list = append(list, secretsIn(v.Index(i))...)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			list = append(list, secretsIn(v.MapIndex(key))...)
		}
	case reflect.Struct:
		if s, ok := v.Interface().(Secret); ok {
			if s.value != "" {
				list = append(list, s.value)
			}
			return list
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				list = append(list, secretsIn(v.Field(i))...)
			}
		}
	}
	return list
}
