package kiosk

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// maxAnswer is the largest message of a browser, in bytes: a screenshot of 8K has less.
const maxAnswer = 64 << 20

// devtools speaks the Chrome DevTools protocol on two pipes, so that nobody else on this machine can: JSON messages, with a zero byte after each. It is safe for
// concurrent use.
type devtools struct {
	in, out *os.File

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
	closed  error
}

type answer struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

func newDevtools(in, out *os.File) *devtools {
	return &devtools{in: in, out: out, waiting: map[int]chan answer{}}
}

// run reads answers until the browser closes its end, and tells of a page that crashes.
func (d *devtools) run(crashed func()) {
	d.mu.Lock()
	err := d.post(0, "", "Target.setDiscoverTargets", map[string]bool{"discover": true})
	d.mu.Unlock()
	if err != nil {
		return
	}
	scanner := bufio.NewScanner(d.out)
	scanner.Buffer(nil, maxAnswer)
	scanner.Split(func(data []byte, atEnd bool) (int, []byte, error) {
		for i, b := range data {
			if b == 0 {
				return i + 1, data[:i], nil
			}
		}
		if atEnd {
			return 0, nil, io.EOF
		}
		return 0, nil, nil
	})
	for scanner.Scan() {
		var a answer
		if json.Unmarshal(scanner.Bytes(), &a) != nil {
			continue
		}
		if a.Method == "Target.targetCrashed" {
			crashed()
		}
		d.mu.Lock()
		if waiting, ok := d.waiting[a.ID]; ok {
			waiting <- a
			delete(d.waiting, a.ID)
		}
		d.mu.Unlock()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = errors.New("the browser has ended")
	for id, waiting := range d.waiting {
		close(waiting)
		delete(d.waiting, id)
	}
}

// close closes the agent's ends of the pipes.
func (d *devtools) close() {
	_ = d.in.Close()
	_ = d.out.Close()
}

// call asks for something, in a session with a page, or of the browser if that is empty.
func (d *devtools) call(ctx context.Context, session, method string, parameters, result any) error {
	answered := make(chan answer, 1)
	d.mu.Lock()
	if d.closed != nil {
		d.mu.Unlock()
		return d.closed
	}
	d.last++
	id := d.last
	d.waiting[id] = answered
	err := d.post(id, session, method, parameters)
	if err != nil {
		delete(d.waiting, id)
		d.mu.Unlock()
		return fmt.Errorf("%s: %w", method, err)
	}
	d.mu.Unlock()
	select {
	case a, ok := <-answered:
		switch {
		case !ok:
			return errors.New("the browser has ended")
		case a.Error != nil:
			return fmt.Errorf("%s: the browser says %q", method, a.Error.Message)
		}
		return json.Unmarshal(a.Result, result)
	case <-ctx.Done():
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.waiting, id)
		return fmt.Errorf("%s: the browser doesn't answer: %w", method, ctx.Err())
	}
}

// post sends a message. d.mu is held.
func (d *devtools) post(id int, session, method string, parameters any) error {
	message := map[string]any{"id": id, "method": method, "params": parameters}
	if session != "" {
		message["sessionId"] = session
	}
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_ = d.in.SetWriteDeadline(time.Now().Add(time.Second)) // a pipe takes one
	_, err = d.in.Write(append(data, 0))
	return err
}

// screenshot takes a picture of the first page, as JPEG, at most so many pixels wide, in a quality from 1 to 100.
func (d *devtools) screenshot(ctx context.Context, width, quality int) ([]byte, error) {
	var targets struct {
		TargetInfos []struct {
			TargetID string `json:"targetId"`
			Type     string `json:"type"`
		} `json:"targetInfos"`
	}
	if err := d.call(ctx, "", "Target.getTargets", struct{}{}, &targets); err != nil {
		return nil, err
	}
	for _, target := range targets.TargetInfos {
		if target.Type != "page" {
			continue
		}
		var attached struct {
			SessionID string `json:"sessionId"`
		}
		if err := d.call(ctx, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
			return nil, err
		}
		defer func() {
			var nothing struct{}
			_ = d.call(ctx, "", "Target.detachFromTarget", map[string]any{"sessionId": attached.SessionID}, &nothing) // it goes with the page otherwise
		}()
		return d.capture(ctx, attached.SessionID, width, quality)
	}
	return nil, errors.New("the browser has no page open")
}

func (d *devtools) capture(ctx context.Context, session string, width, quality int) ([]byte, error) {
	var metrics struct {
		Viewport struct {
			Width  float64 `json:"clientWidth"`
			Height float64 `json:"clientHeight"`
		} `json:"cssLayoutViewport"`
	}
	if err := d.call(ctx, session, "Page.getLayoutMetrics", struct{}{}, &metrics); err != nil {
		return nil, err
	}
	view := metrics.Viewport
	if view.Width < 1 || view.Height < 1 {
		return nil, errors.New("the browser's window has no size")
	}
	clip := map[string]any{"x": 0, "y": 0, "width": view.Width, "height": view.Height, "scale": min(1, float64(width)/view.Width)}
	var picture struct {
		Data []byte `json:"data"`
	}
	err := d.call(ctx, session, "Page.captureScreenshot", map[string]any{"format": "jpeg", "quality": quality, "clip": clip}, &picture)
	return picture.Data, err
}
