package vm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"sync"
)

// A Machine is a virtual machine that runs. Its methods are safe for concurrent use, but
// two callers of Expect take texts from each other.
type Machine struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	input  io.WriteCloser
	shell  *Shell        // nil without one
	screen *monitor      // nil without one
	ended  chan struct{} // closed when the machine has ended
	err    error         // why, once ended is closed
	stderr bytes.Buffer  // of QEMU

	mu      sync.Mutex
	console []byte // what nobody has expected yet
	changed chan struct{}
}

// maxConsole bounds what is kept of a console that nobody reads, in bytes.
const maxConsole = 4 << 20

// shown is how much of the console an error has in it, in bytes.
const shown = 2000

// ErrEnded is returned, wrapped, when a machine has ended before a text appeared.
var ErrEnded = errors.New("the machine has ended")

// Start starts a machine. What its console shows is also written to log, as it comes;
// nil is for nobody. Cancelling ctx stops it.
func Start(ctx context.Context, opts Options, log io.Writer) (*Machine, error) {
	ctx, cancel := context.WithCancel(ctx)
	m := &Machine{cancel: cancel, ended: make(chan struct{}), changed: make(chan struct{})}
	var err error
	if m.cmd, err = opts.Command(ctx, false); err != nil {
		cancel()
		return nil, err
	}
	m.cmd.Stderr = &m.stderr
	output, err := m.start(&opts)
	if err != nil {
		cancel()
		m.closePorts()
		return nil, fmt.Errorf("start machine: %w", err)
	}
	go m.follow(output, log)
	return m, nil
}

// start starts QEMU, and returns what the console shows.
func (m *Machine) start(opts *Options) (output io.Reader, err error) {
	// What QEMU has inherited is its own.
	defer func() {
		for _, f := range m.cmd.ExtraFiles {
			f.Close()
		}
	}()
	if err := m.connect(opts); err != nil {
		return nil, err
	}
	if m.input, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if output, err = m.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return output, m.cmd.Start()
}

// follow reads the console until the machine has ended.
func (m *Machine) follow(output io.Reader, log io.Writer) {
	buf := make([]byte, 32<<10)
	var broken error // of log
	for {
		n, err := output.Read(buf)
		if n > 0 {
			m.append(buf[:n])
			if log != nil && broken == nil {
				_, broken = log.Write(buf[:n])
			}
		}
		if err != nil {
			break
		}
	}
	err := m.cmd.Wait()
	if err != nil {
		err = fmt.Errorf("run machine: %w: %s", err, bytes.TrimSpace(m.stderr.Bytes()))
	}
	if broken != nil {
		err = errors.Join(err, fmt.Errorf("write console: %w", broken))
	}
	m.err = err
	m.closePorts()
	close(m.ended)
}

func (m *Machine) append(p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.console = append(m.console, p...)
	if n := len(m.console); n > maxConsole {
		m.console = bytes.Clone(m.console[n-maxConsole/2:])
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// Expect waits until the console shows what re matches, and returns the match and its
// groups. What was before it, and the match, is not looked at again. An error has the
// end of the console in it.
func (m *Machine) Expect(ctx context.Context, re *regexp.Regexp) ([]string, error) {
	for {
		// Whether it has ended is asked first: what it showed before is there then.
		hasEnded := false
		select {
		case <-m.ended:
			hasEnded = true
		default:
		}
		found, changed := m.take(re)
		if found != nil {
			return found, nil
		}
		if hasEnded {
			return nil, m.unexpected(re, errors.Join(ErrEnded, m.err))
		}
		select {
		case <-changed:
		case <-m.ended:
		case <-ctx.Done():
			return nil, m.unexpected(re, context.Cause(ctx))
		}
	}
}

// take takes the console's text up to a match away. Without one it returns what is
// closed when there is more.
func (m *Machine) take(re *regexp.Regexp) ([]string, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := re.FindSubmatchIndex(m.console)
	if at == nil {
		return nil, m.changed
	}
	var groups []string
	for i := 0; i < len(at); i += 2 {
		text := ""
		if at[i] >= 0 {
			text = string(m.console[at[i]:at[i+1]])
		}
		groups = append(groups, text)
	}
	m.console = bytes.Clone(m.console[at[1]:])
	return groups, nil
}

func (m *Machine) unexpected(re *regexp.Regexp, cause error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := m.console[max(0, len(m.console)-shown):]
	return fmt.Errorf("wait for %q on the console: %w; it ends in:\n%s", re, cause, end)
}

// Send types text.
func (m *Machine) Send(text string) error {
	if _, err := io.WriteString(m.input, text); err != nil {
		return fmt.Errorf("type on the console: %w", err)
	}
	return nil
}

// Wait waits until the machine has switched itself off.
func (m *Machine) Wait(ctx context.Context) error {
	select {
	case <-m.ended:
		return m.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stop ends the machine as if its power were cut, and waits until it has.
func (m *Machine) Stop() {
	m.cancel()
	<-m.ended
}
