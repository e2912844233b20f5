"""The public names: editors and mypy read their types here, and `__init__.py` where to load them from."""

from mmtoolkit.checkpoints import Checkpoints as Checkpoints
from mmtoolkit.data import batch_plan as batch_plan
from mmtoolkit.data import caption_dataset as caption_dataset
from mmtoolkit.data import question_dataset as question_dataset
from mmtoolkit.decoding import BeamSearch as BeamSearch
from mmtoolkit.decoding import Greedy as Greedy
from mmtoolkit.decoding import Sample as Sample
from mmtoolkit.errors import InputError as InputError
from mmtoolkit.evaluation import evaluate_answers as evaluate_answers
from mmtoolkit.evaluation import evaluate_captions as evaluate_captions
from mmtoolkit.evaluation import versions as versions
from mmtoolkit.losses import token_loss as token_loss
from mmtoolkit.metrics import confidence_intervals as confidence_intervals
from mmtoolkit.metrics import score_captions as score_captions
from mmtoolkit.metrics import unique_share as unique_share
from mmtoolkit.models import Answer as Answer
from mmtoolkit.models import Caption as Caption
from mmtoolkit.models import Captioner as Captioner
from mmtoolkit.models import VisualQA as VisualQA
from mmtoolkit.readers import find_images as find_images
from mmtoolkit.readers import read_captions as read_captions
from mmtoolkit.readers import read_questions as read_questions
from mmtoolkit.readers import read_sentences as read_sentences
from mmtoolkit.readers import split as split
from mmtoolkit.records import CaptionRecord as CaptionRecord
from mmtoolkit.records import QuestionRecord as QuestionRecord
from mmtoolkit.records import texts as texts
from mmtoolkit.text import TextCodec as TextCodec
from mmtoolkit.text import Vocabulary as Vocabulary
from mmtoolkit.text import align_vectors as align_vectors
from mmtoolkit.text import centred as centred
from mmtoolkit.text import load_vectors as load_vectors
from mmtoolkit.text import save_vectors as save_vectors
from mmtoolkit.text import train_vectors as train_vectors
from mmtoolkit.text import train_word2vec as train_word2vec
from mmtoolkit.training import DecodedValidation as DecodedValidation
from mmtoolkit.training import adam as adam
from mmtoolkit.vision import FeatureStore as FeatureStore
from mmtoolkit.vision import Pictures as Pictures
from mmtoolkit.vision import VGG19Regions as VGG19Regions
from mmtoolkit.vision import extractor_key as extractor_key

__version__: str
