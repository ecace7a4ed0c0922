package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// A monitor is QEMU's own console for programs: QEMU's Machine Protocol
// (docs/interop/qmp-spec.rst in its sources).
type monitor struct {
	conn    *os.File
	mu      sync.Mutex // one command at a time
	decoder *json.Decoder
	ready   bool // capabilities are negotiated
}

func newMonitor(conn *os.File) *monitor {
	return &monitor{conn: conn, decoder: json.NewDecoder(conn)}
}

// Screenshot writes what the machine's screen shows to a file, as PNG. The machine needs
// [Options].Screen. After an error that is ctx's there are no more pictures.
func (m *Machine) Screenshot(ctx context.Context, path string) error {
	if m.screen == nil {
		return errors.New("take picture of the screen: the machine has none")
	}
	err := m.screen.run(ctx, "screendump", map[string]any{"filename": path, "format": "png"})
	if err != nil {
		return fmt.Errorf("take picture of the screen: %w", err)
	}
	return nil
}

// run carries out a command.
func (m *monitor) run(ctx context.Context, command string, arguments map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { m.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if !m.ready {
		if err := m.ask("qmp_capabilities", nil); err != nil {
			return err
		}
		m.ready = true
	}
	return m.ask(command, arguments)
}

// ask sends a command and reads the answer, which stands between greeting and events.
func (m *monitor) ask(command string, arguments map[string]any) error {
	request := struct {
		Execute   string         `json:"execute"`
		Arguments map[string]any `json:"arguments,omitempty"`
	}{command, arguments}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return err
	}
	for {
		var answer struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Description string `json:"desc"`
			} `json:"error"`
		}
		if err := m.decoder.Decode(&answer); err != nil {
			return err
		}
		switch {
		case answer.Error != nil:
			return fmt.Errorf("QEMU: %s", answer.Error.Description)
		case answer.Return != nil:
			return nil
		}
	}
}
