package vmtest

import (
	"strings"
	"testing"
)

// tcpTable is what Linux 6.1 shows with a server on port 22 (IPv4, 0016) and a connection
// from port 8080 (1F90).
const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13271 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:0016 01 00000000:00000000 00:00000000 00000000     0        0 13272 1 0000000000000000 20 4 30 10 -1
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 13273 1 0000000000000000 100 0 0 10 0
`

func TestListens(t *testing.T) {
	for port, want := range map[int]bool{22: true, 80: true, 8080: false, 2: false, 65535: false} {
		if listens(tcpTable, port) != want {
			t.Errorf("port %d: %v", port, !want)
		}
	}
}

func TestTail(t *testing.T) {
	if got := tail("a\nb\n"); got != "a\nb" {
		t.Errorf("%q", got)
	}
	long := strings.Repeat("line\n", 100) + "last\n"
	if got := strings.Split(tail(long), "\n"); len(got) != shownLines || got[shownLines-1] != "last" {
		t.Errorf("%d lines: %q", len(got), got)
	}
}

func TestProperties(t *testing.T) {
	is := properties("Type=oneshot\nResult=success\n\nDescription=a=b\n")
	if is["Type"] != "oneshot" || is["Description"] != "a=b" || is["ActiveState"] != "" {
		t.Errorf("%v", is)
	}
}
