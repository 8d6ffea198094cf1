use super::*;
use std::io::Read;
use std::os::fd::AsFd;

#[test]
fn descriptors_travel_in_order() {
    let (left, right) = packet_pair().unwrap();
    let (one, two) = stream_pair().unwrap();
    send(left.as_fd(), &[IoSlice::new(b"pair")], &[one.as_fd(), two.as_fd()], true).unwrap();
    let mut buffer = [0; 16];
    let got = receive_packet(right.as_fd(), &mut buffer, true).unwrap();
    assert_eq!((got.length, got.descriptors.len(), got.truncated), (4, 2, false));
    send(got.descriptors[0].as_fd(), &[IoSlice::new(b"x")], &[], true).unwrap();
    drop((one, got));
    let mut end = std::fs::File::from(two);
    let mut text = String::new();
    end.read_to_string(&mut text).unwrap();
    assert_eq!(text, "x");
}

#[test]
fn the_kernel_names_the_sender() {
    let (left, right) = packet_pair().unwrap();
    ask_credentials(right.as_fd()).unwrap();
    send(left.as_fd(), &[IoSlice::new(b"me")], &[], true).unwrap();
    let got = receive_packet(right.as_fd(), &mut [0; 8], true).unwrap();
    assert_eq!(got.credentials.unwrap().pid, std::process::id());
}

#[test]
fn a_descriptor_without_room_is_closed_and_told() {
    let (left, right) = stream_pair().unwrap();
    let (one, two) = stream_pair().unwrap();
    let many = [one.as_fd(); 20];
    send(left.as_fd(), &[IoSlice::new(b"x")], &many, true).unwrap();
    let got = receive(right.as_fd(), &mut [0; 8], true).unwrap();
    assert!(got.truncated);
    drop((got, one));
    assert_eq!(receive(two.as_fd(), &mut [0; 8], true).unwrap().length, 0, "a copy stayed open");
}

#[test]
fn a_refused_descriptor_does_not_arrive() {
    let (left, right) = packet_pair().unwrap();
    let (one, _two) = stream_pair().unwrap();
    refuse_descriptors(right.as_fd());
    let sent = send(left.as_fd(), &[IoSlice::new(b"x")], &[one.as_fd()], false);
    if sent.is_ok() {
        // An older kernel: it arrives, and the receiver closes it.
        assert_eq!(receive_packet(right.as_fd(), &mut [0; 8], true).unwrap().length, 1);
    }
    send(left.as_fd(), &[IoSlice::new(b"y")], &[], false).unwrap();
    assert_eq!(receive_packet(right.as_fd(), &mut [0; 8], true).unwrap().length, 1);
}

#[test]
fn a_receive_gives_up_after_the_timeout() {
    let (left, _right) = stream_pair().unwrap();
    set_timeouts(left.as_fd(), Duration::from_millis(10), Duration::ZERO).unwrap();
    let error = receive(left.as_fd(), &mut [0; 8], true).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}
