"""What a data scientist would write without a pipeline: the music model in one script, scikit-learn only.

python bench/plain.py TABLE OUT [--mlflow]
"""

import sys
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

NUMERICAL = [
    "danceability",
    "energy",
    "key",
    "loudness",
    "mode",
    "speechiness",
    "acousticness",
    "instrumentalness",
    "liveness",
    "valence",
    "tempo",
    "duration_ms",
    "time_signature",
]


def scores(model, table: pd.DataFrame) -> dict[str, float]:
    """The metrics that the pipeline tracks."""
    probabilities = model.predict_proba(table)
    predicted = model.classes_[probabilities.argmax(axis=1)]
    return {
        "auc_macro_ovo": roc_auc_score(table.genre, probabilities, multi_class="ovo"),
        "f1_macro": f1_score(table.genre, predicted, average="macro"),
        "accuracy": accuracy_score(table.genre, predicted),
        "log_loss": log_loss(table.genre, probabilities, labels=model.classes_),
    }


def main(source: str, out: Path, trees: int = 100, words: int = 20) -> tuple[dict, dict]:
    """Reads, cleans, splits, fits, scores and saves; returns parameters and metrics."""
    table = pd.read_parquet(source).drop_duplicates().reset_index(drop=True)
    for column in ("title", "song_name"):
        table[column] = table[column].fillna("")
    table["text_feature"] = table.title + " " + table.song_name
    rest, test = train_test_split(table, test_size=0.3, random_state=42, stratify=table.genre)
    train, validation = train_test_split(rest, test_size=0.3, random_state=42, stratify=rest.genre)
    features = ColumnTransformer(
        [
            ("numerical", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMERICAL),
            ("text", TfidfVectorizer(binary=True, max_features=words), "text_feature"),
        ]
    )
    forest = RandomForestClassifier(
        n_estimators=trees, max_depth=20, min_samples_leaf=4, class_weight="balanced", random_state=42, n_jobs=-1
    )
    model = Pipeline([("features", features), ("forest", forest)]).fit(train, train.genre)
    metrics = {
        f"{name}_{key}": value
        for name, split in (("validation", validation), ("test", test))
        for key, value in scores(model, split).items()
    }
    joblib.dump(model, out / "model.joblib")
    return {"n_estimators": trees, "max_features": words}, metrics


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    params, metrics = main(sys.argv[1], folder)
    if "--mlflow" in sys.argv:
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        experiment = mlflow.create_experiment("plain", (folder / "artifacts").absolute().as_uri())
        with mlflow.start_run(experiment_id=experiment):
            mlflow.log_params(params)
            mlflow.log_metrics(metrics)
            mlflow.log_artifact(str(folder / "model.joblib"))
    print({key: round(value, 4) for key, value in metrics.items()})
