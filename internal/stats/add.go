package stats

import "reflect"

// Add adds all of o to c. Both are records of numbers and of maps of numbers, so
// that a new field needs no line here.
func (c *Counters) Add(o *Counters) {
	addValue(reflect.ValueOf(c).Elem(), reflect.ValueOf(o).Elem())
}

func addValue(dst, src reflect.Value) {
	switch dst.Kind() {
	case reflect.Struct:
		for i := range dst.NumField() {
			addValue(dst.Field(i), src.Field(i))
		}
	case reflect.Uint64:
		dst.SetUint(dst.Uint() + src.Uint())
	case reflect.Int64:
		dst.SetInt(dst.Int() + src.Int())
	case reflect.Map:
		if dst.IsNil() && src.Len() > 0 {
			dst.Set(reflect.MakeMap(dst.Type()))
		}
		for _, k := range src.MapKeys() {
			sum := src.MapIndex(k).Uint()
			if old := dst.MapIndex(k); old.IsValid() {
				sum += old.Uint()
			}
			dst.SetMapIndex(k, reflect.ValueOf(sum))
		}
	default:
		panic("stats: a counter of kind " + dst.Kind().String())
	}
}
