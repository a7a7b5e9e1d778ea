//! A Redis that still reads its file: it is there, and takes no command. That is told apart from
//! one that is away, so that whoever started it waits for it.

use crate::view::View;
use infra::store::{Store, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Takes what a connection begins with, and refuses everything else as Redis does then.
async fn refuse(mut client: TcpStream) {
    let mut bytes = [0; 4_096];
    loop {
        let Ok(count @ 1..) = client.read(&mut bytes).await else { return };
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        for command in text.split('*').skip(1) {
            let answer: &[u8] = match command.contains("CLIENT") {
                true => b"+OK\r\n",
                false => b"-LOADING Redis is loading the dataset in memory\r\n",
            };
            client.write_all(answer).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_redis_that_still_reads_its_file_is_not_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    let serve = async {
        let mut clients = tokio::task::JoinSet::new();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            clients.spawn(refuse(client));
        }
    };
    let ask = async {
        let error = Store::connect(&url).await.unwrap().probe().await.unwrap_err();
        assert!(error.is_loading(), "{error}");
    };
    tokio::select! {
        () = ask => {}
        () = serve => {}
    }
    drop(listener);
    let away = Store::connect(&url).await.err().unwrap();
    assert!(!away.is_loading(), "{away}");
}

#[tokio::test]
async fn a_redis_that_wants_another_password_says_so_and_none_is_shown() {
    let view = View::start().await;
    let (_, host) = view.url().rsplit_once('@').unwrap();
    for login in ["", ":wrong-password@", "somebody:wrong-password@"] {
        let refused = Store::connect(&format!("redis://{login}{host}")).await.err().unwrap();
        let told = refused.to_string();
        assert!(matches!(refused, StoreError::Unauthorized(_)), "{login}: {told}");
        assert!(told.contains("REDIS_URL") && !told.contains("wrong-password"), "{told}");
    }
    view.stop().await;
}
