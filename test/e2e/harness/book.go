package harness

import (
	"fmt"
	"os"
	"strings"
)

// BookKey is the secret key of the files that the manual prints.
const BookKey = "my secret key"

// Book is the path of the manual's chapter on clusters. Tests use the files that it prints.
type Book string

// Block returns the first block of a language that holds what marks it, with each of old replaced
// by new, which has to be there.
func (b Book) Block(language, mark string, oldNew ...string) (string, error) {
	text, err := os.ReadFile(string(b))
	if err != nil {
		return "", fmt.Errorf("read the manual: %w", err)
	}
	for _, part := range strings.Split(string(text), "```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		if !strings.Contains(block, mark) {
			continue
		}
		for i := 0; i < len(oldNew); i += 2 {
			if !strings.Contains(block, oldNew[i]) {
				return "", fmt.Errorf("the block with %q does not say %q", mark, oldNew[i])
			}
			block = strings.ReplaceAll(block, oldNew[i], oldNew[i+1])
		}
		return block, nil
	}
	return "", fmt.Errorf("%s prints no block with %q", b, mark)
}

// Scheduler is the manual's file for a scheduler at an address.
func (b Book) Scheduler(address string) (string, error) {
	return b.Block("toml", "[client_auth]", "127.0.0.1:10600", address)
}

// Worker is its file for a worker at an address, with directories below dir.
func (b Book) Worker(address, url, token, dir string) (string, error) {
	return b.Block("toml", "[builder]", "/tmp/toolchains", dir+"/toolchains", "/tmp/build", dir+"/build",
		"192.168.1.1:10501", address, "https://192.168.1.1", url, "what generate-jwt-hs256-worker-token printed", token)
}

// Client is its file for a client of the scheduler with a URL.
func (b Book) Client(url string) (string, error) {
	return b.Block("toml", "[dist.auth]", "https://192.168.1.1", url)
}
