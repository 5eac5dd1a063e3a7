// Package recent holds a bounded map that forgets what was not used lately. It is
// a leaf for the packages of storage and cas.
package recent

import "sync"

// Map is a bounded map in two generations. Values enter the young one; when that
// holds half of what the map may, it becomes the old one, and what was old and
// has not been asked for since is forgotten. That costs O(1) a call and no list,
// and keeps at least the most recently used half. All methods are safe for
// concurrent use.
type Map[K comparable, V any] struct {
	limit  int64
	weight func(V) int64

	mu         sync.Mutex
	young, old map[K]V
	held       int64 // weight of young
}

// New returns a map whose values together weigh at most limit, as weight tells.
// weight(v) must not change while v is in the map.
func New[K comparable, V any](limit int64, weight func(V) int64) *Map[K, V] {
	return &Map[K, V]{limit: limit, weight: weight, young: map[K]V{}}
}

// Get returns the value of k, if it is remembered.
func (m *Map[K, V]) Get(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.young[k]; ok {
		return v, true
	}
	v, ok := m.old[k]
	if ok {
		delete(m.old, k)
		m.add(k, v)
	}
	return v, ok
}

// Put makes v the value of k. A value that weighs more than half of the limit is
// not remembered.
func (m *Map[K, V]) Put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(k)
	if m.weight(v) <= m.limit/2 {
		m.add(k, v)
	}
}

// Remove forgets k.
func (m *Map[K, V]) Remove(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(k)
}

// Clear forgets everything.
func (m *Map[K, V]) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.young, m.old, m.held = map[K]V{}, nil, 0
}

func (m *Map[K, V]) add(k K, v V) {
	w := m.weight(v)
	if m.held+w > m.limit/2 {
		m.young, m.old, m.held = map[K]V{}, m.young, 0
	}
	m.young[k] = v
	m.held += w
}

func (m *Map[K, V]) remove(k K) {
	if v, ok := m.young[k]; ok {
		m.held -= m.weight(v)
		delete(m.young, k)
	}
	delete(m.old, k)
}
