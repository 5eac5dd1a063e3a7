package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Cluster is a scheduler and workers, each on a host of its own, that speak TLS, with the files
// that the manual prints.
type Cluster struct {
	Network   *Network
	Scheduler *Server
	Workers   []*Server
	Addresses []string // of the workers
	URL       string   // of the scheduler
	CA        string   // path of the certificate by which it is believed
	program   string
	book      Book
}

// StartCluster starts a cluster with so many workers and returns when all are registered. program is
// cachepot-dist. All that it writes lies below dir, which other users can pass through.
func StartCluster(program string, book Book, dir string, workers int) (c *Cluster, err error) {
	c = &Cluster{program: program, book: book}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.Network, err = NewNetwork(); err != nil {
		return c, err
	}
	if err := c.startScheduler(filepath.Join(dir, "scheduler")); err != nil {
		return c, err
	}
	for i := range workers {
		if err := c.startWorker(filepath.Join(dir, fmt.Sprint("worker", i)), 11+i); err != nil {
			return c, err
		}
	}
	return c, c.Await(workers)
}

func (c *Cluster) startScheduler(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	h, err := c.Network.Host(1)
	if err != nil {
		return err
	}
	address := h.Address + ":10600"
	c.URL = "https://" + address
	cert, key, err := MakeCertificate(dir, h.Address)
	if err != nil {
		return err
	}
	c.CA = cert
	conf, err := c.book.Scheduler(address)
	if err != nil {
		return err
	}
	conf = strings.Replace(conf, address, c.URL, 1) + "\n[tls]\ncertificate = \"" + cert + "\"\nkey = \"" + key + "\"\n"
	if c.Scheduler, err = NewServer(c.program, "scheduler", dir, conf); err != nil {
		return err
	}
	c.Scheduler.Host = h
	if err := c.Scheduler.Start(); err != nil {
		return err
	}
	return c.Await(0)
}

func (c *Cluster) startWorker(dir string, number int) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	h, err := c.Network.Host(number)
	if err != nil {
		return err
	}
	address := h.Address + ":10501"
	token, err := WorkerToken(c.program, BookKey, address)
	if err != nil {
		return err
	}
	conf, err := c.book.Worker(address, c.URL, token, dir)
	if err != nil {
		return err
	}
	w, err := NewServer(c.program, "worker", dir, "scheduler_ca = \""+c.CA+"\"\n"+conf)
	if err != nil {
		return err
	}
	w.Host = h
	c.Workers, c.Addresses = append(c.Workers, w), append(c.Addresses, address)
	return w.Start()
}

// ClientConf returns a client's file.
func (c *Cluster) ClientConf() (string, error) {
	conf, err := c.book.Client(c.URL)
	return conf + "\n[dist.tls]\nca = \"" + c.CA + "\"\n", err
}

// Await waits until so many workers are registered.
func (c *Cluster) Await(workers int) error {
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, _, _, err := AskStatus(c.program, c.URL, c.CA, c.Scheduler.Host)
		if err == nil && got == workers {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d workers, %w; want %d", got, err, workers)
		}
	}
}

// Close ends all servers and removes the network.
func (c *Cluster) Close() error {
	for _, w := range c.Workers {
		w.Kill()
	}
	if c.Scheduler != nil {
		c.Scheduler.Kill()
	}
	if c.Network == nil {
		return nil
	}
	return c.Network.Close()
}

// AskStatus returns what cachepot-dist status prints on a host of the scheduler with a URL, which is
// believed by the certificate in the file ca unless that is "".
func AskStatus(program, url, ca string, h *Host) (workers, cpus, inProgress int, err error) {
	argv := h.In(program, "status", "--url", url)
	if ca != "" {
		argv = append(argv, "--ca", ca)
	}
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		return 0, 0, 0, err
	}
	return ParseStatus(string(out), url)
}

// ParseStatus reads what --dist-status and cachepot-dist status print of the scheduler with a URL.
func ParseStatus(text, url string) (workers, cpus, inProgress int, err error) {
	_, err = fmt.Sscanf(text, `{"SchedulerStatus":["`+url+`",{"num_workers":%d,"num_cpus":%d,"in_progress":%d}]}`, &workers, &cpus, &inProgress)
	if err == nil && !json.Valid([]byte(text)) {
		err = fmt.Errorf("%q is no JSON", text)
	}
	return workers, cpus, inProgress, err
}
