package library

import (
	"slices"
	"sync"

	"vitrine/content/digest"
)

// bigSize is the length in bytes from which an asset counts as big.
const bigSize = 8 << 20

// maxCommitting is how many assets may wait for the disk beside those that come: the store brings them there in groups.
const maxCommitting = 128

// A queue hands assets to workers, what is needed first first; but for big ones there is one lane fewer than there are, so that a few
// films don't hold up a thousand pictures. It is safe for concurrent use.
type queue struct {
	lanes int

	mu sync.Mutex
	// changed is for workers that wait for more.
	changed *sync.Cond
	// waiting has what is to be fetched by outside lanes and by near ones, in order of need.
	waiting map[bool][]asset
	// open counts what workers are at, also those that wait for the disk; busy are the lanes on which something comes, and big those of
	// them with big assets, by kind of lane.
	open    int
	busy    map[bool]int
	big     map[bool]int
	stopped bool
}

func newQueue(lanes int) *queue {
	q := &queue{lanes: lanes, waiting: map[bool][]asset{}, busy: map[bool]int{}, big: map[bool]int{}}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// add puts an asset among those for near lanes, or for the others.
func (q *queue) add(a asset, near bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at, _ := slices.BinarySearchFunc(q.waiting[near], a.order, func(b asset, order int) int { return b.order - order })
	q.waiting[near] = slices.Insert(q.waiting[near], at, a)
	q.changed.Broadcast()
}

// next waits for an asset; ok is false once there won't be any more.
func (q *queue) next(near bool) (a asset, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.stopped {
			return asset{}, false
		}
		if i := q.pick(near); i >= 0 {
			a = q.waiting[near][i]
			q.waiting[near] = slices.Delete(q.waiting[near], i, i+1)
			q.open++
			q.busy[near]++
			if a.size >= bigSize {
				q.big[near]++
			}
			return a, true
		}
		// What runs in a near lane may yet come to the others.
		if q.open == 0 && len(q.waiting[near]) == 0 && len(q.waiting[!near]) == 0 {
			return asset{}, false
		}
		q.changed.Wait()
	}
}

// pick is the index of what comes next; -1 if there is nothing. q.mu is held.
func (q *queue) pick(near bool) int {
	list := q.waiting[near]
	if len(list) == 0 || q.busy[near] >= q.lanes || q.open >= 2*q.lanes+maxCommitting {
		return -1
	}
	if list[0].size >= bigSize && q.big[near] >= max(q.lanes-1, 1) {
		if small := slices.IndexFunc(list, func(a asset) bool { return a.size < bigSize }); small > 0 {
			return small
		}
	}
	return 0
}

// came says that the bytes of an asset have come, or won't: its lane is free.
func (q *queue) came(a asset, near bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy[near]--
	if a.size >= bigSize {
		q.big[near]--
	}
	q.changed.Broadcast()
}

// done says that a worker is through with an asset, well or not.
func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open--
	q.changed.Broadcast()
}

// promote puts an asset in front of all others that wait: a peer needs it now.
func (q *queue) promote(d digest.Digest) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for near, list := range q.waiting {
		i := slices.IndexFunc(list, func(a asset) bool { return a.digest == d })
		if i <= 0 {
			continue
		}
		a := list[i]
		a.order = list[0].order - 1
		q.waiting[near] = slices.Insert(slices.Delete(list, i, i+1), 0, a)
	}
}

// stop ends the handing out.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.changed.Broadcast()
}
