// Package cgroup runs programs in control groups of version 2 (cgroups(7),
// Documentation/admin-guide/cgroup-v2.rst of the kernel): it bounds what they use
// together, ends them together, and tells for certain what they ran out of.
//
// Groups can be made by whoever was given one: systemd calls it delegation. Find looks
// for that, Open takes it over, and Make makes a group for one program.
package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits bound a group. 0 means no bound.
type Limits struct {
	Memory    int64 // bytes, swapped ones included
	Processes int64 // and threads, at once
}

// controllers are what limits need.
var controllers = []string{"memory", "pids"}

// A files does with a control group's directory what a kernel answers to.
type files interface {
	mkdir(dir string) error
	rmdir(dir string) error
	read(file string) (string, error)
	write(file, text string) error
}

type kernelFiles struct{}

func (kernelFiles) mkdir(dir string) error { return os.Mkdir(dir, 0o755) }
func (kernelFiles) rmdir(dir string) error { return os.Remove(dir) }

func (kernelFiles) read(file string) (string, error) {
	data, err := os.ReadFile(file)
	return string(data), err
}

func (kernelFiles) write(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0) // the kernel makes these files, nobody else
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// A Parent is a control group in which others can be made. It is safe for concurrent
// use.
type Parent struct {
	dir   string
	files files
	self  int

	mu   sync.Mutex
	made int
}

// own is the group that processes move to which had been in the one that they divide:
// one with processes of its own cannot give controllers to others.
const own = "sysc.self"

// Open takes over the control group that [Find] has found: this process moves to a
// group in it, and what it starts later will be there, too. Nothing is given back; the
// group goes when its maker removes it, as systemd does.
func Open(dir string) (*Parent, error) { return open(dir, kernelFiles{}, os.Getpid()) }

func open(dir string, f files, self int) (*Parent, error) {
	p := &Parent{dir: dir, files: f, self: self}
	if err := p.files.mkdir(filepath.Join(dir, own)); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	if err := p.files.write(filepath.Join(dir, own, "cgroup.procs"), strconv.Itoa(self)); err != nil {
		return nil, errors.Join(fmt.Errorf("enter control group: %w", err), p.files.rmdir(filepath.Join(dir, own)))
	}
	// All of them or none.
	if err := p.files.write(filepath.Join(dir, "cgroup.subtree_control"), "+"+strings.Join(controllers, " +")); err != nil {
		back := p.files.write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(self))
		if back == nil {
			back = p.files.rmdir(filepath.Join(dir, own))
		}
		return nil, errors.Join(fmt.Errorf("divide control group %s: %w", dir, err), back)
	}
	return p, nil
}

// Make makes a group with limits. Its user has to close it.
func (p *Parent) Make(limits Limits) (*Group, error) {
	p.mu.Lock()
	p.made++
	name := fmt.Sprintf("sysc.%d-%d", p.self, p.made)
	p.mu.Unlock()
	g := &Group{dir: filepath.Join(p.dir, name), files: p.files}
	if err := p.files.mkdir(g.dir); err != nil {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	if err := g.limit(limits); err != nil {
		return nil, errors.Join(err, p.files.rmdir(g.dir))
	}
	return g, nil
}

// A Group is the control group of one program and all that it starts.
type Group struct {
	dir   string
	files files
}

// Directory opens it, for CLONE_INTO_CGROUP (clone3(2)).
func (g *Group) Directory() (*os.File, error) { return os.Open(g.dir) }

func (g *Group) limit(l Limits) error {
	for _, value := range []struct {
		file string
		n    int64
	}{{"memory.max", l.Memory}, {"pids.max", l.Processes}} {
		if value.n <= 0 {
			continue
		}
		if err := g.files.write(filepath.Join(g.dir, value.file), strconv.FormatInt(value.n, 10)); err != nil {
			return fmt.Errorf("limit control group: %w", err)
		}
	}
	if l.Memory <= 0 {
		return nil
	}
	// There is no such file where there is no swap, and so nothing to bound.
	if err := g.files.write(filepath.Join(g.dir, "memory.swap.max"), "0"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("limit control group: %w", err)
	}
	return nil
}

// An Outcome is what has become of a group's processes.
type Outcome struct {
	// Killed is how many of them the kernel killed for lack of memory, whoever's.
	Killed int64
	// Refused is how often it started none, as there were too many.
	Refused int64
}

// Outcome tells it. What the kernel has no file for has not happened.
func (g *Group) Outcome() (Outcome, error) {
	killed, err := g.count("memory.events", "oom_kill")
	if err != nil {
		return Outcome{}, err
	}
	refused, err := g.count("pids.events", "max")
	return Outcome{Killed: killed, Refused: refused}, err
}

// count reads one number of a file that has a name and a number a line.
func (g *Group) count(file, name string) (int64, error) {
	text, err := g.files.read(filepath.Join(g.dir, file))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read control group: %w", err)
	}
	return field(text, name)
}

func field(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read control group: %q is no line of a name and a number", line)
			}
			return n, nil
		}
	}
	return 0, nil
}

// How long Close waits for the kernel to end what it was told to end.
const (
	closeFor   = 10 * time.Second
	closeEvery = time.Millisecond
)

// Close kills what is left in the group and removes it.
func (g *Group) Close() error {
	if err := g.files.rmdir(g.dir); err == nil {
		return nil // all had ended
	}
	// Since Linux 5.14. Before, the end of the first process of a sandbox has to do.
	if err := g.files.write(filepath.Join(g.dir, "cgroup.kill"), "1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("kill control group: %w", err)
	}
	// There is nothing to wait at: a group can be removed when its processes are gone
	// and reaped, of which inotify(7) of cgroup.events tells too early.
	for end := time.Now().Add(closeFor); ; time.Sleep(closeEvery) {
		err := g.files.rmdir(g.dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("remove control group: %w", err)
		}
	}
}

// missing returns a controller that a list of names with space between has not.
func missing(list string) (name string, ok bool) {
	have := strings.Fields(list)
	for _, name := range controllers {
		if !slices.Contains(have, name) {
			return name, true
		}
	}
	return "", false
}
