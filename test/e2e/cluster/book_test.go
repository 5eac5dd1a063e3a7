package cluster

import (
	"os"
	"strings"
	"testing"
)

// chapter is where the files and commands of a cluster are printed.
const chapter = "../../../docs/book/cluster.md"

// printed returns the first block of a language in the chapter that holds what marks it,
// with each of old replaced by new, which has to be there.
func printed(t *testing.T, language, mark string, oldNew ...string) string {
	t.Helper()
	text, err := os.ReadFile(chapter)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		if !strings.Contains(block, mark) {
			continue
		}
		for i := 0; i < len(oldNew); i += 2 {
			if !strings.Contains(block, oldNew[i]) {
				t.Fatalf("the block with %q does not say %q", mark, oldNew[i])
			}
			block = strings.ReplaceAll(block, oldNew[i], oldNew[i+1])
		}
		return block
	}
	t.Fatalf("%s prints no block with %q", chapter, mark)
	return ""
}

// bookScheduler is the manual's file for a scheduler at an address.
func bookScheduler(t *testing.T, address string) string {
	return printed(t, "toml", "[client_auth]", "127.0.0.1:10600", address)
}

// bookWorker is its file for a worker at an address, with directories below dir.
func bookWorker(t *testing.T, address, url, token, dir string) string {
	return printed(t, "toml", "[builder]", "/tmp/toolchains", dir+"/toolchains", "/tmp/build", dir+"/build",
		"192.168.1.1:10501", address, "https://192.168.1.1", url, "what generate-jwt-hs256-worker-token printed", token)
}

// bookClient is its file for a client of the scheduler with a URL.
func bookClient(t *testing.T, url string) string {
	return printed(t, "toml", "[dist.auth]", "https://192.168.1.1", url)
}
