// Package readlog reads files for a computation and notes what was read, so that
// it can be told later whether the computation would read the same again.
//
// What is noted are questions with their answers: the content of a file, the names
// in a directory, whether there is such a file at all, where a link leads. A
// question is whatever the caller could see, and no more: a new file beside
// definitions is noticed when it is a definition, and not otherwise. Errors are
// answers.
//
// A nil [*Log] reads in the same way and notes nothing.
package readlog

import (
	"fmt"
	"sync"
)

// maxReads bounds what one log notes. Whoever reads more is not remembered.
const maxReads = 1 << 20

// An op is a kind of question.
type op uint8

const (
	opContent  op = iota + 1 // the bytes and the mode of a file
	opMode                   // what something is, links followed
	opLinkMode               // what something is
	opList                   // what is in a directory
	opTarget                 // where a link leads
	opReal                   // what a path is without links
	opRoot                   // whether a directory can be opened
	opFact                   // what the caller knows under a name
	opEnd
)

// A question is what was asked. It is about name below the directory root, which
// no link may leave, or about the path name when root is empty.
type question struct {
	op         op
	root, name string
	// arg is the number of bytes that were read at most, or the suffixes of the names
	// that were wanted.
	arg string
}

// String is for messages and tests.
func (q question) String() string {
	what := [...]string{opContent: "content of", opMode: "mode of", opLinkMode: "mode of", opList: "list of", opTarget: "target of", opReal: "real path of", opRoot: "directory", opFact: "value of"}[q.op]
	switch {
	case q.root == "":
		return what + " " + q.name
	default:
		return what + " " + q.root + "/" + q.name
	}
}

// A read is a question with its answer.
type read struct {
	question
	answer string
	// stamp is that of the file whose content was read. While it is the same, so is
	// the content; the zero stamp is never the same.
	stamp stamp
}

// A Log is what a computation has read. It is safe for concurrent use.
type Log struct {
	mu    sync.Mutex
	reads []read
	index map[question]int
	// last has the files that a log before this one has stamps of.
	last map[question]*read
	// spoiled says why nothing can be told from the log, "" when it can.
	spoiled string
}

// New returns an empty log.
func New() *Log { return &Log{index: map[question]int{}} }

// After returns an empty log for a computation that was done before, with other
// answers to some questions: files that are as they were then need not be hashed once
// more. last may be nil.
func After(last *Log) *Log {
	l := New()
	if last == nil {
		return l
	}
	l.last = map[question]*read{}
	for i := range last.reads {
		if r := &last.reads[i]; r.op == opContent && r.stamp != (stamp{}) {
			l.last[r.question] = r
		}
	}
	return l
}

// Note notes something that the computation learned in another way, for instance
// the value of a variable. Whoever checks the log is asked for it by its name.
func (l *Log) Note(name, value string) {
	l.note(question{op: opFact, name: name}, value, stamp{})
}

// Spoil says that the computation depends on something that must not be noted, or
// cannot: it is not to be remembered. The first reason counts.
func (l *Log) Spoil(reason string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spoil(reason)
}

func (l *Log) spoil(reason string) {
	if l.spoiled == "" {
		l.spoiled = reason
	}
}

// Spoiled returns why the computation is not to be remembered, or "".
func (l *Log) Spoiled() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spoiled
}

// Questions describes what was asked, in the order of asking.
func (l *Log) Questions() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]string, len(l.reads))
	for i, r := range l.reads {
		out[i] = r.String()
	}
	return out
}

// note adds an answer. Two answers to one question mean that something changed
// meanwhile, and that the computation is of no state that there ever was.
func (l *Log) note(q question, answer string, s stamp) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, ok := l.index[q]; ok {
		if l.reads[i].answer != answer {
			l.spoil(fmt.Sprintf("the %s changed meanwhile", q))
		}
		return
	}
	if len(l.reads) == maxReads {
		l.spoil("too much was read")
		return
	}
	l.index[q] = len(l.reads)
	l.reads = append(l.reads, read{q, answer, s})
}
