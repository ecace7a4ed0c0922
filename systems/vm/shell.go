package vm

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Shell carries out commands in a machine with an [Agent], as root. Its methods are
// safe for concurrent use; commands run one after another.
type Shell struct {
	conn *os.File

	mu    sync.Mutex // one exchange at a time
	lines *bufio.Reader
	boot  string // of the system that runs, "" before the first
	asked int
}

// maxAnswer bounds a line of an agent: a mebibyte, in base64, and what is around it.
const maxAnswer = 2 << 20

func newShell(conn *os.File) *Shell {
	return &Shell{conn: conn, lines: bufio.NewReaderSize(conn, maxAnswer)}
}

// Shell returns what runs commands in the machine, nil without [Options].Shell.
func (m *Machine) Shell() *Shell { return m.shell }

// A Booted says that a machine has come up.
type Booted struct {
	// ID is another one for each boot: Linux's boot_id.
	ID string
	// Trouble is why it has no address in its network, or "".
	Trouble string
}

// errNotText says that a machine has sent what no agent does.
var errNotText = errors.New("unexpected answer")

// Boot waits until the machine has come up: for the first time, or once more since the
// last time.
func (s *Shell) Boot(ctx context.Context) (Booted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		fields, err := s.read(ctx)
		if err != nil {
			return Booted{}, fmt.Errorf("wait for the machine to come up: %w", err)
		}
		const ready = 3 // the word, which boot, the trouble
		if fields[0] != "ready" || len(fields) != ready || fields[1] == s.boot {
			continue // of a command that the boot has ended
		}
		s.boot = fields[1]
		trouble, err := base64.StdEncoding.DecodeString(fields[2])
		if err != nil {
			return Booted{}, fmt.Errorf("wait for the machine to come up: %w", errNotText)
		}
		return Booted{ID: s.boot, Trouble: strings.TrimSpace(string(trouble))}, nil
	}
}

// Run carries out a command, a text for a POSIX shell that ends at what fails (sh -e),
// and returns what it printed, of which the last mebibyte, and its exit code. A command that
// does not end before ctx goes on, and the next waits for it.
func (s *Shell) Run(ctx context.Context, command string) (output string, code int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	number := strconv.Itoa(s.asked)
	if err := s.send(ctx, number+" "+base64.StdEncoding.EncodeToString([]byte(command))+"\n"); err != nil {
		return "", 0, fmt.Errorf("run command: %w", err)
	}
	for {
		fields, err := s.read(ctx)
		if err != nil {
			return "", 0, fmt.Errorf("run command: %w", err)
		}
		switch {
		case fields[0] == "ready":
			return "", 0, errors.New("run command: the machine has started again")
		case fields[0] != number:
			continue
		}
		const answer = 3 // the number, the code, the output
		if len(fields) != answer {
			return "", 0, fmt.Errorf("run command: %w", errNotText)
		}
		code, err := strconv.Atoi(fields[1])
		text, more := base64.StdEncoding.DecodeString(fields[2])
		if err != nil || more != nil {
			return "", 0, fmt.Errorf("run command: %w", errNotText)
		}
		return string(text), code, nil
	}
}

// Begin hands a command over and does not wait for it, as for one that ends the system.
func (s *Shell) Begin(ctx context.Context, command string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	text := base64.StdEncoding.EncodeToString([]byte(command))
	if err := s.send(ctx, strconv.Itoa(s.asked)+" "+text+"\n"); err != nil {
		return fmt.Errorf("run command: %w", err)
	}
	return nil
}

func (s *Shell) send(ctx context.Context, text string) error {
	defer s.limit(ctx)()
	_, err := s.conn.WriteString(text)
	return s.cause(ctx, err)
}

// read reads a line and splits it where single spaces stand: a field may be empty, as
// the output of a command.
func (s *Shell) read(ctx context.Context) ([]string, error) {
	defer s.limit(ctx)()
	line, err := s.lines.ReadSlice('\n')
	if err != nil {
		return nil, s.cause(ctx, err)
	}
	return strings.Split(strings.TrimRight(string(line), "\r\n"), " "), nil
}

// limit ends what is read or written when ctx does, until the function that it returns is
// called.
func (s *Shell) limit(ctx context.Context) func() {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.conn.SetDeadline(time.Unix(1, 0))
		close(ended)
	})
	return func() {
		if !stop() {
			<-ended
			s.conn.SetDeadline(time.Time{})
		}
	}
}

// cause says that the time is over where that is why, and that the machine has ended
// where a file was closed.
func (s *Shell) cause(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, bufio.ErrBufferFull):
		return errNotText
	}
	return fmt.Errorf("%w: %w", ErrEnded, err)
}
