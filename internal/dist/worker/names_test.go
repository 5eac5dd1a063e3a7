package worker

import (
	"strings"
	"testing"
)

// FuzzNames: whatever a resource is called, it is a blob with a digest, or refused; what is
// taken means the same when it is written again.
func FuzzNames(f *testing.F) {
	const blob = "blobs/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0"
	for _, name := range []string{blob, "i/" + blob, "compressed-" + strings.Replace(blob, "/", "/zstd/", 1), "uploads/u/" + blob, "a/b/uploads/u/" + blob + "/x", "blobs/../../etc/passwd/1", "uploads", ""} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for kind, parse := range map[string]func(string) (resource, error){"read": parseRead, "write": parseWrite} {
			r, err := parse(name)
			if err != nil {
				continue
			}
			again := r.instance
			if again != "" || strings.HasPrefix(name, "/") {
				again += "/"
			}
			if kind == "write" {
				again += "uploads/u/"
			}
			if r.zstd {
				again += "compressed-blobs/zstd/"
			} else {
				again += "blobs/"
			}
			if same, err := parse(again + r.blob.String()); err != nil || same != r || r.blob.Size < 0 {
				t.Errorf("%s %q: %+v, %v; want %+v", kind, name, same, err, r)
			}
		}
	})
}
