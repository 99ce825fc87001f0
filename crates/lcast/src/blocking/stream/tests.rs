use super::*;

/// A runtime on a thread of its own, as a node has one. It ends with the test.
struct Runtime {
    handle: tokio::runtime::Handle,
    _stop: tokio::sync::oneshot::Sender<()>,
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(stopped));
    Runtime { handle, _stop: stop }
}

fn is_readable<T, E: Clone>(stream: &Stream<T, E>) -> bool {
    stream.wait(Some(Duration::ZERO)).unwrap()
}

/// A stream that nobody feeds, and its queue.
fn stream(runtime: &Runtime) -> (Stream<u32>, Feed<u32, ()>) {
    let pair = Pair::new().unwrap();
    let feed = pair.feed();
    (pair.fed_by(runtime.handle.spawn(async {}).abort_handle()), feed)
}

#[test]
fn the_descriptor_is_readable_exactly_while_something_waits_or_at_the_end() {
    let runtime = runtime();
    let (stream, feed) = stream(&runtime);
    assert!(!is_readable(&stream));
    assert_eq!(stream.try_next(), Ok(Next::Pending));
    for round in 0..3 {
        assert_eq!(feed.queue.push(round, Shown::Now), None);
        assert_eq!(feed.queue.push(round + 1, Shown::Now), None);
        assert!(is_readable(&stream));
        assert_eq!(stream.try_next(), Ok(Next::Item(round)));
        assert!(is_readable(&stream));
        assert_eq!(stream.try_next(), Ok(Next::Item(round + 1)));
        assert!(!is_readable(&stream));
    }
    assert_eq!(feed.queue.push(7, Shown::Now), None);
    feed.finish(Ok(()));
    assert_eq!(stream.try_next(), Ok(Next::Item(7)));
    for _ in 0..2 {
        assert!(is_readable(&stream), "an end that was read stays");
        assert_eq!(stream.try_next(), Ok(Next::End));
    }
    assert_eq!(stream.end(), Ok(Some(Ok(()))));
}

#[test]
fn what_was_put_is_shown_with_what_comes_later_or_the_end() {
    let runtime = runtime();
    let (stream, feed) = stream(&runtime);
    assert_eq!(feed.queue.push(1, Shown::Later), None);
    assert!(!is_readable(&stream));
    assert_eq!(stream.try_next(), Ok(Next::Item(1)));
    feed.show();
    assert!(!is_readable(&stream), "there is nothing to show");
    assert_eq!(feed.queue.push(2, Shown::Later), None);
    feed.show();
    assert!(is_readable(&stream));
    assert_eq!(feed.queue.push(3, Shown::Later), None);
    assert_eq!(stream.try_next(), Ok(Next::Item(2)));
    assert!(is_readable(&stream), "what came meanwhile is shown as well");
    assert_eq!(stream.try_next(), Ok(Next::Item(3)));
    assert!(!is_readable(&stream));
    assert_eq!(feed.queue.push(4, Shown::Later), None);
    feed.finish(Ok(()));
    assert!(is_readable(&stream));
    assert!(stream.iter().eq([4]));
}

#[test]
fn whoever_feeds_waits_when_the_queue_is_full_and_nothing_is_lost() {
    let runtime = runtime();
    let (stream, feed) = stream(&runtime);
    for item in 0..ITEMS_MAX {
        assert_eq!(feed.queue.push(u32::try_from(item).unwrap(), Shown::Now), None);
    }
    let beyond = u32::try_from(ITEMS_MAX).unwrap();
    assert_eq!(feed.queue.push(beyond, Shown::Now), Some(beyond), "one more finds no room");
    runtime.handle.spawn(async move {
        for item in 0..4 * beyond {
            feed.push(beyond + item, || ()).await;
        }
        feed.finish(Ok(()));
    });
    assert!(stream.iter().eq(0..5 * beyond));
    assert_eq!(stream.finish(None), Ok(()));
}

#[test]
fn a_full_queue_can_be_given_up() {
    let runtime = runtime();
    let (stream, feed) = stream(&runtime);
    let (told, given_up) = std::sync::mpsc::channel();
    runtime.handle.spawn(async move {
        for item in 0..u32::try_from(ITEMS_MAX).unwrap() + 1 {
            feed.push(item, || told.send(()).unwrap()).await;
        }
        feed.finish_given_up(None);
    });
    stream.cancel().unwrap();
    given_up.recv().unwrap();
    assert_eq!(stream.iter().count(), ITEMS_MAX + 1, "what has arrived can still be read");
    assert_eq!(stream.end(), Ok(Some(Ok(()))));
}

#[test]
fn a_feed_that_is_dropped_ends_the_stream_with_the_node() {
    let runtime = runtime();
    let (stream, feed) = stream(&runtime);
    drop(feed);
    assert_eq!(stream.next(None), Ok(None));
    assert_eq!(stream.finish(None).unwrap_err().kind(), Kind::Ended);
}

#[test]
fn a_time_that_is_over_is_an_error_and_a_long_one_is_none() {
    let runtime = runtime();
    let (stream, feed) = stream(&runtime);
    let timeout = stream.next(Some(Duration::from_millis(1))).unwrap_err();
    assert_eq!(timeout.kind(), Kind::Timeout);
    assert_eq!(stream.finish(Some(Duration::ZERO)).unwrap_err().kind(), Kind::Timeout);
    assert_eq!(feed.queue.push(7, Shown::Now), None);
    assert_eq!(stream.next(Some(Duration::MAX)), Ok(Some(7)));
}

/// A binding that frees a stream must not leave a thread of the program in it for ever.
#[test]
fn whoever_waits_in_a_stream_that_is_closed_wakes_up() {
    let runtime = runtime();
    let (stream, _feed) = stream(&runtime);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stream.finish(None));
        stream.close().unwrap();
        assert_eq!(waiting.join().unwrap().unwrap_err().kind(), Kind::Ended);
    });
}

/// What feeds it may still have an item in hand at that moment.
#[test]
fn nothing_follows_the_end_of_a_stream_that_is_closed() {
    let runtime = runtime();
    let (stream, feed) = stream(&runtime);
    assert_eq!(feed.queue.push(1, Shown::Now), None);
    stream.close().unwrap();
    assert_eq!(feed.queue.push(2, Shown::Now), None);
    assert!(stream.iter().eq([1]), "what had arrived can still be read");
    assert_eq!(stream.try_next(), Ok(Next::End));
    assert!(is_readable(&stream));
}

/// Dropping in a fork must not end what goes on in the parent.
#[test]
fn a_fork_can_do_nothing_with_a_stream_and_leaves_it_alone() {
    let runtime = runtime();
    let pair = Pair::<u32, ()>::new().unwrap();
    let feed = pair.feed();
    let task = runtime.handle.spawn(std::future::pending::<()>());
    let mut stream = pair.fed_by(task.abort_handle());
    assert_eq!(feed.queue.push(7, Shown::Now), None);
    stream.disown();
    // Were a lock touched, this would wait for ever: in a fork nobody may be there to open it.
    let held = feed.queue.lock();
    for error in [
        stream.try_next().unwrap_err(),
        stream.next(None).unwrap_err(),
        stream.wait(None).unwrap_err(),
        stream.fd().map(drop).unwrap_err(),
        stream.end().map(drop).unwrap_err(),
        stream.cancel().unwrap_err(),
        stream.finish(None).unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Forked);
    }
    assert_eq!(stream.iter().next(), None);
    drop(stream);
    drop(held);
    assert!(!task.is_finished());
}
