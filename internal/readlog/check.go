package readlog

import (
	"errors"
	"os"
	"path"
	"slices"
)

// Check asks everything once more. It returns what is answered otherwise now, "" when
// nothing is; facts answers for [Log.Note]. renewed is set when files were read
// whose stamps had changed and whose content had not: the log has the new stamps
// then, and is worth keeping.
func (l *Log) Check(facts func(name string) string) (changed string, renewed bool) {
	changed, _, renewed = l.CheckBut(facts, func(string, string, string) bool { return false })
	return changed, renewed
}

// CheckBut is [Log.Check], but files may have another content for which except is true,
// of the names of a directory and of a file in it, and of the number of bytes that were
// read of that at most. others is set when any has; the log has no answers for them any
// more.
func (l *Log) CheckBut(facts func(name string) string, except func(root, name, limit string) bool) (changed string, others, renewed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := checker{facts: facts, roots: map[string]*os.Root{}}
	defer c.close()
	var kept []read
	for i := range l.reads {
		r := &l.reads[i]
		answer, s := c.ask(r)
		if answer != r.answer {
			if r.op != opContent || !except(r.root, r.name, r.arg) {
				return r.String(), false, false
			}
			if !others {
				kept = slices.Clone(l.reads[:i])
			}
			others = true
			continue
		}
		if s != r.stamp && s != (stamp{}) {
			r.stamp, renewed = s, true
		}
		if others {
			kept = append(kept, *r)
		}
	}
	if others {
		l.reads = kept
	}
	return "", others, renewed
}

// Adopt notes what another log has and this one has not: what a computation depends on
// that was done before and not now.
func (l *Log) Adopt(other *Log) {
	for _, r := range other.reads {
		if _, ok := l.index[r.question]; !ok {
			l.note(r.question, r.answer, r.stamp)
		}
	}
}

// A checker keeps roots open.
type checker struct {
	facts func(name string) string
	roots map[string]*os.Root
	// last is the directory dir below the root of, in which the last file was; nil for
	// none.
	last *os.Root
	of   *os.Root
	dir  string
}

func (c *checker) close() error {
	errs := []error{c.leave()}
	for _, root := range c.roots {
		errs = append(errs, root.Close())
	}
	return errors.Join(errs...)
}

func (c *checker) ask(r *read) (string, stamp) {
	switch {
	case r.op == opFact:
		return c.facts(r.name), r.stamp
	case r.op == opRoot:
		_, err := c.open(r.name)
		return textAnswer("", err), r.stamp
	case r.root == "":
		return ask(r.question, place{nil, r.name}, r.stamp, r.answer)
	}
	root, err := c.open(r.root)
	if err != nil {
		return errAnswer(err), r.stamp
	}
	if r.op == opContent {
		// Many files of one directory need not be looked for from the top each time. What is
		// as it was when no link may leave that directory is so when none may leave the
		// root.
		if in, ok := c.enter(root, r.name); ok {
			if answer, s := ask(r.question, in, r.stamp, r.answer); answer == r.answer {
				return answer, s
			}
		}
	}
	return ask(r.question, place{root, r.name}, r.stamp, r.answer)
}

// enter returns the place of a name in the directory where it is.
func (c *checker) enter(root *os.Root, name string) (place, bool) {
	dir, base := path.Split(name)
	if dir == "" {
		return place{}, false
	}
	if c.last == nil || c.of != root || c.dir != dir {
		if err := c.leave(); err != nil {
			return place{}, false
		}
		last, err := root.OpenRoot(dir)
		if err != nil {
			return place{}, false
		}
		c.last, c.of, c.dir = last, root, dir
	}
	return place{c.last, base}, true
}

func (c *checker) leave() error {
	if c.last == nil {
		return nil
	}
	last := c.last
	c.last = nil
	return last.Close()
}

func (c *checker) open(dir string) (*os.Root, error) {
	if root, ok := c.roots[dir]; ok {
		return root, nil
	}
	root, err := os.OpenRoot(dir)
	if err == nil {
		c.roots[dir] = root
	}
	return root, err
}
