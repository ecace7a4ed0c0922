package readlog

import (
	"errors"
	"os"
)

// Check asks everything once more. It returns what is answered otherwise now, "" when
// nothing is; facts answers for [Log.Note]. renewed is set when files were read
// whose stamps had changed and whose content had not: the log has the new stamps
// then, and is worth keeping.
func (l *Log) Check(facts func(name string) string) (changed string, renewed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := checker{facts: facts, roots: map[string]*os.Root{}}
	defer c.close()
	for i := range l.reads {
		r := &l.reads[i]
		answer, s := c.ask(r)
		if answer != r.answer {
			return r.String(), false
		}
		if s != r.stamp && s != (stamp{}) {
			r.stamp, renewed = s, true
		}
	}
	return "", renewed
}

// A checker keeps roots open.
type checker struct {
	facts func(name string) string
	roots map[string]*os.Root
}

func (c *checker) close() error {
	var errs []error
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
	return ask(r.question, place{root, r.name}, r.stamp, r.answer)
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
