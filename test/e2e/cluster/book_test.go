package cluster

import (
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// chapter is where the files and commands of a cluster are printed.
const chapter harness.Book = "../../../docs/book/cluster.md"

// said ends the test where the manual does not print what it should.
func said(t *testing.T) func(text string, err error) string {
	return func(text string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
}

// printed returns the manual's block of a language that holds what marks it, with each of old
// replaced by new.
func printed(t *testing.T, language, mark string, oldNew ...string) string {
	t.Helper()
	return said(t)(chapter.Block(language, mark, oldNew...))
}

// bookScheduler is the manual's file for a scheduler at an address.
func bookScheduler(t *testing.T, address string) string {
	t.Helper()
	return said(t)(chapter.Scheduler(address))
}

// bookWorker is its file for a worker at an address, with directories below dir.
func bookWorker(t *testing.T, address, url, token, dir string) string {
	t.Helper()
	return said(t)(chapter.Worker(address, url, token, dir))
}

// bookClient is its file for a client of the scheduler with a URL.
func bookClient(t *testing.T, url string) string {
	t.Helper()
	return said(t)(chapter.Client(url))
}
