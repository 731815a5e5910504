//! sqlx, with SQLite.

use ::sqlx::sqlite::SqlitePoolOptions;
use policy::compat::with_tokio;

use crate::support::on_every_loop;

#[test]
fn a_pool_is_queried_inside_the_bridge() {
    on_every_loop(|| async {
        with_tokio(async {
            let one = SqlitePoolOptions::new().max_connections(1);
            let pool = one.connect("sqlite::memory:").await?;
            ::sqlx::query("CREATE TABLE numbers (number INTEGER)").execute(&pool).await?;
            // A task of the loop is inside, too.
            let inserting = policy::spawn({
                let pool = pool.clone();
                async move {
                    for number in 1..=100 {
                        let insert = ::sqlx::query("INSERT INTO numbers VALUES (?)").bind(number);
                        insert.execute(&pool).await?;
                    }
                    Ok::<_, ::sqlx::Error>(())
                }
            });
            inserting.await.unwrap()?;
            let sum = ::sqlx::query_scalar("SELECT sum(number) FROM numbers");
            let sum: i64 = sum.fetch_one(&pool).await?;
            assert_eq!(sum, 5050);
            pool.close().await;
            Ok::<_, ::sqlx::Error>(())
        })
        .await
        .unwrap();
    });
}
